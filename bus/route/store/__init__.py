"""What a lane knows, on the disk of its machine: kept, trusted or built anew. `memory` is the same in dictionaries."""
