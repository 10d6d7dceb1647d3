"""The course around the notebooks: their catalogue, and the copy that a learner works in."""
