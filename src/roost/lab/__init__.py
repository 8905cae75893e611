"""`roost lab`: real speakers and clients in network namespaces on this machine.

isolate    one process tree in namespaces of its own, gone with its first process
fabric     a bridge, and a namespace with one cable for each node and client
echo       the service behind every address; client: who pings it every 2 ms
lab        nodes and clients brought up on the fabric, and what can be done to them
drills     one failure each, and the story that tells several
records    what the clients saw, and how long each outage was (pure)
timeline   the same as a picture (pure); view: the same live
"""
