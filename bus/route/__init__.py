"""The router: decides for each change which agency may have it, in what shape, and logs what it did."""
