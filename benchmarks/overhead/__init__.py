"""What Potluck adds to a bare call of OpenRouter: time, processor, memory. See `python -m benchmarks.overhead -h`."""
