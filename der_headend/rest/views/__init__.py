"""The JSON of the responses as plain values, ready to be encoded; ``rest.models`` documents it."""
