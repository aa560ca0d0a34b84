"""All contenders, by group."""

from peers import decoders, files, mel, scans

CONTENDERS = (*mel.CONTENDERS, *files.CONTENDERS, *decoders.CONTENDERS, *scans.CONTENDERS)
