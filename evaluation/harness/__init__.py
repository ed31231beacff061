"""Tasks of lm-evaluation-harness from local files, asked through its own interface for models, of our models.

The harness (EleutherAI, version 0.4.13) reads tasks, makes requests of them and says what each document gave; models are
loaded, batched and remembered here. Its own cache of answers is one file for a name that the caller gives, so that two
models under one name share their answers; here an answer is named by what was asked, of which weights, and how.
"""
