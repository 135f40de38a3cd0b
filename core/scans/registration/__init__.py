"""From a scan to standard space: the template, affine registration, and checks of its quality."""
