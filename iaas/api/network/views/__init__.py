"""How the network API shows its resources."""
