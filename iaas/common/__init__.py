"""Floor 1: what every floor stands on. Nothing here knows of servers, networks or images."""
