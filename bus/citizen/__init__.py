"""Where citizens' consents come in: the app's and the counters' way to give, withdraw and see them."""
