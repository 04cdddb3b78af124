module metriclet.invalid/nodes/app

go 1.26.0
