"""Tables, one module per aggregate, as Core ``Table`` objects.

Times are doubles: seconds since the epoch, so that a lease can be compared with the database's own clock on
every database alike.  Ids are UUID strings.  Structured values nobody filters on are JSON text.
"""
