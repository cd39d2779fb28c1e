"""A Liberty power engine: cell tables, a gate-level simulator that counts activity, and the sums of both."""
