#include "rig.h"
extern const rig_group sweep_streams;
const rig_group sweep_streams = {NULL, 0};
