"""The steps the compute worker serves, one module per procedure."""
