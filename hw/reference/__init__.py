"""Units that nothing of ours is built of, to measure ours against: bare multipliers, multiply-adds in binary32."""
