"""Request schemas of Identity v3, by noun."""
