"""``der``: the operator's command. It speaks REST through ``der_client`` and starts the programs as processes."""
