"""The steps the volume worker serves, one module per procedure."""
