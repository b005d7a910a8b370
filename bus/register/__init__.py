"""The register: facts in one topic, and the state that follows from them, the same for everyone who folds it."""
