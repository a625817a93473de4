"""What happens to a model is told: as a Prefect event, and to people, by what they read.

event               the one schema of events, and what each kind means
emitting            tells an event to Prefect and to the outbox
outbox              what waits to be sent, on the disk
grouping, message   which events become one message, which are not told again, how it reads
sending, sender     the receiver's address, and the thread that tries until the message is taken
watching            what the machine shows of itself
"""
