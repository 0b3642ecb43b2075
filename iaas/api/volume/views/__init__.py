"""From rows to the bodies of Block Storage v3."""
