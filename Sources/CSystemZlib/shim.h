// gzip streams; DataImport alone imports it.
#pragma once
#include <zlib.h>
