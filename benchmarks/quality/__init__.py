"""Parts of `bench_quality.py`: problems, rivals, and what is made of their results."""
