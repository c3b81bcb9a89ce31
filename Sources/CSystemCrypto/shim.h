// The only door to cryptographic C headers; CryptoPrimitives alone imports it.
#pragma once
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <sodium.h>
