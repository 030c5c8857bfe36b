"""How far a run has come: counted, and shown in a notebook."""
