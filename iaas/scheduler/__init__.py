"""The scheduler: a frozen snapshot in, a plan out; the claim is the only writer."""
