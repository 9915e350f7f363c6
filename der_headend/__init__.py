"""The control plane: what operators talk to over REST and edge agents connect to over gRPC."""
