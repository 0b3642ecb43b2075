"""The steps the scheduler serves."""
