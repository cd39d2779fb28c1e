"""Every claimed saving side by side: named designs, other ways to build them, and what others have published."""
