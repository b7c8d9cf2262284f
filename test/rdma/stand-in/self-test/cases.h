#pragma once

void everyOperationMovesItsBytes();
void atomicsGiveWhatWasThere();
void piecesAreGatheredAndInlineBytesAreTakenAtOnce();
void keysBoundsAndAccessAreChecked();
void localKeysAndRoomAreChecked();
void sendsWaitForReceives();
void retriesEndWhenThePeerHasGone();
void statesComeInTheirOrder();
void sendSlotsComeBackWhenPolled();
void channelsTellOfWhatComesAfterArming();
void failuresComeOnDemand();
void heldRequestsAreInFlight();
void threadDomainsBelongToOneThread();
void sharedDoorbellsGoByTurnsAndAreLocked();
void twoThreadsPlayPingPong();
void destroyingWaitsForThoseWhoWrite();
