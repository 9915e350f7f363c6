"""What crosses the network between an edge agent and its headend.

``agent_link.proto`` is the protocol and tells the whole story; ``_gen`` is generated from it. The codec turns its
messages into the words of ``der_core`` and back: ``registration`` (who an agent is), ``codec`` (events, commands,
reports, and frames as an agent makes them) and ``frames`` (frames as the headend reads them, the only module here that
needs numpy). ``rules`` are those of the link that no message tells. Whatever is decoded is validated in full; what
can't be taken is refused with ``fields.WireInvalid``.
"""
