"""REST as declarations: an operation is a row, and routing, negotiation, limits, policy, schemas, faults,
documents and tests all come from the row."""
