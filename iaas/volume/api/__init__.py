"""Core verbs on volumes: what every HTTP edge calls."""
