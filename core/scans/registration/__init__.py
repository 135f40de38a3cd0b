"""From a scan to standard space: template, affine registration, and how well it went."""
