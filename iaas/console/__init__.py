"""The console proxy: a program of its own that knows the rows and the compute hosts' agents, and no API."""
