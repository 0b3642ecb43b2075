"""The kill matrix: real daemons, real servers, real faults, and what was promised held against what is."""
