#pragma once

#include "base/metrics.h"

namespace pointsman {

// What Prometheus expects of every process: start, memory, descriptors, processor time, threads.
// What this system does not tell is left out.
void put_process_metrics(MetricsPage& page);

}  // namespace pointsman
