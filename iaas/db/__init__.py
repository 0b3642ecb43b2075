"""Floor 2: the only importer of sqlalchemy. One module per aggregate; each query takes the caller's Tx first."""
