"""What an answer costs Discord, and Discord the answer: Potluck's writer beside an edit awaited in the read loop."""
