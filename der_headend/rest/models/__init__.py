"""What the JSON looks like: one model per thing that a route takes or gives.

Requests are validated with these. Responses are built as plain values in ``views`` and only documented here; the tests
hold each response to its model. Times are UTC; "unknown" is ``null``.
"""
