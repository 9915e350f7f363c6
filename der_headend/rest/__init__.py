"""What operators and their programs talk to: the REST API.

A handler in ``routes`` decodes, makes one call and encodes. ``models`` says what the JSON looks like and is what the
OpenAPI document is made of; ``views`` builds that JSON from live columns and records, without an object per value;
``problems`` holds the one table from errors to HTTP. Positive MW = discharge / export.
"""
