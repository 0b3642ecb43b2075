"""Request schemas of Block Storage v3."""
