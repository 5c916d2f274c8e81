"""The builders of the composition root, one module per package of the bridge."""
