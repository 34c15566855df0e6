/** Why a socket is not being read: bits, because several may hold at once. */
export const PAUSED_CONGESTED = 1;
export const PAUSED_PENDING = 2;
export const PAUSED_OUTPUT = 4;
export const PAUSED_BUFFER = 8;
