// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// What Iridule computes off chain, on chain: seeds, states, epochs, render keys and pinned URLs.
library Iridule {
    /// The version of the pictures; `KEY_VERSION` in functions/records/src/render_key.rs.
    uint32 internal constant KEY_VERSION = 2;

    bytes private constant BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    /// The seed of a token whose contract names none.
    function seed(uint256 chainId, address contract_, uint256 tokenId) internal pure returns (bytes32) {
        return keccak256(abi.encode(chainId, contract_, tokenId));
    }

    /// The identity of a state: its bands, in the order of the style's manifest.
    function epoch(int16[] memory bands) internal pure returns (bytes32) {
        return keccak256(abi.encode(bands));
    }

    /// The identity of one picture.
    function renderKey(bytes32 style, bytes32 seed_, bytes32 epoch_, uint8 painter, uint256 variant)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(KEY_VERSION, style, seed_, epoch_, painter, variant));
    }

    /// The band of a value among rising edges: 0 below the first, n at or above the last of n. No hysteresis.
    function band(int256[] memory edges, int256 value) internal pure returns (int16) {
        uint256 low = 0;
        uint256 high = edges.length;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (edges[middle] <= value) low = middle + 1;
            else high = middle;
        }
        return int16(uint16(low));
    }

    /// A state as a pinned URL writes it: base64url without padding of the bands, two bytes each, big-endian.
    function stateToken(int16[] memory bands) internal pure returns (string memory) {
        bytes memory packed = new bytes(bands.length * 2);
        for (uint256 i = 0; i < bands.length; i++) {
            packed[2 * i] = bytes1(uint8(uint16(bands[i]) >> 8));
            packed[2 * i + 1] = bytes1(uint8(uint16(bands[i])));
        }
        return base64url(packed);
    }

    function base64url(bytes memory data) private pure returns (string memory) {
        bytes memory out = new bytes((data.length * 8 + 5) / 6);
        for (uint256 i = 0; i < out.length; i++) {
            uint256 bit = i * 6;
            uint256 pair = uint256(uint8(data[bit / 8])) << 8;
            if (bit / 8 + 1 < data.length) pair |= uint8(data[bit / 8 + 1]);
            out[i] = BASE64URL[(pair >> (10 - (bit % 8))) & 63];
        }
        return string(out);
    }
}
