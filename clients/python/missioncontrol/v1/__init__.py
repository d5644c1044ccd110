"""Generated from protos/missioncontrol/v1 by `make proto`; edit nothing here."""
