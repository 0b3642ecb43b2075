"""The identity service's queries, by aggregate.  Each takes the caller's transaction and never commits."""
