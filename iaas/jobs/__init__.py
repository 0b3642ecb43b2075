"""Floor 3: the job engine. The row is the truth, the cast is the doorbell, the sweep is the net.

``kinds`` is the table of procedures, ``submit`` accepts one, ``engine`` claims and runs its steps, ``outcomes``
says what an ended job means for its resource.  See docs/architecture.md and docs/recipes/add-a-job.md.
"""
