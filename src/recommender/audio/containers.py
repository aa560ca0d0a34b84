"""Which kinds of files are opened: those that hold sound themselves."""

from typing import Final

CONTAINERS: Final = ",".join(
    "3dostr aa aac aax ac3 ac4 ace acm act adp ads adx aea afc aiff aix alaw amr amrnb amrwb apc"
    " ape apm aptx aptx_hd argo_asf argo_brp asf asf_o ast au avi avr bfstm binka boa bonk brstm"
    " caf codec2 daud derf dfpwm dsf dsicin dss dts dtshd ea eac3 epaf flac flv fsb fwse g722"
    " g723_1 g726 g726le g728 g729 genh gsm gxf hca hcom iamf iff ifv ilbc ircam iss kvag laf lc3"
    " libgme libmodplug libopenmpt live_flv loas lvf lxf matroska mca mlp mmf mov mp3 mpc mpc8 mpeg"
    " mpegts mpegtsraw msf mtaf mtv mulaw musx mxf nistsphere nsp nsv nut nuv ogg oma osq paf pva"
    " pvf qcp qoa redspark rka rm rpl rsd rso sbc sdns sdr2 sds sdx shn siff sln sol sox spdif svag"
    " svs tak thp truehd tta ty vag vividas voc vpk vqf w64 wady wav wavarc webm wsaud wsd wsvqa"
    " wtv wv wve xa xmd xvag xwma".split()
)
"""Names of ffmpeg's demuxers, for its option ``format_whitelist``.

Left out are those that open further files or devices, whatever a file is called: playlists (hls,
dash, concat, imf), sequences of pictures, sessions (sdp, rtsp), graphs of filters, scripts.
"""
