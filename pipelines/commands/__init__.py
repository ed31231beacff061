"""The commands, a file per family; `pipelines/cli.py` names them all."""
