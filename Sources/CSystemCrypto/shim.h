// The only door to cryptographic C headers; CryptoPrimitives alone imports it.
#pragma once
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <sodium.h>

// What the machine can do at best, for `tacit bench`: zeros encrypted with AES-256-CTR into 16 KiB and, when `lanes` is
// there, added to it. Nothing else of this project runs in this loop.
static inline int tacit_limit_loop(const unsigned char *key, unsigned int *lanes, unsigned long count) {
  enum { block = 16384 };
  static const unsigned char zeros[block];
  unsigned char stream[block] __attribute__((aligned(64)));
  unsigned char iv[16] = {0};
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  int status = context && EVP_EncryptInit_ex(context, EVP_aes_256_ctr(), 0, key, iv) == 1;
  for (unsigned long done = 0; status && done < count; done += block / 4) {
    unsigned long entries = count - done < block / 4 ? count - done : block / 4;
    int written = 0;
    status = EVP_EncryptUpdate(context, stream, &written, zeros, (int)(4 * entries)) == 1;
    if (lanes) {
      const unsigned int *mask = (const unsigned int *)stream;
      for (unsigned long i = 0; i < entries; i++) lanes[done + i] += mask[i];
    }
  }
  EVP_CIPHER_CTX_free(context);
  return status;
}
