"""Where records wait until the headend has stored them."""
