"""The routes, one module per resource. A handler decodes, makes one call and encodes."""
