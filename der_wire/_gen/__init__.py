"""Generated from the proto files beside this package by ``make proto``; not to be edited."""
